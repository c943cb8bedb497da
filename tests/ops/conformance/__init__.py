"""What the conformance test compares: arguments for every op, drawn by hypothesis, and how exact it must be."""
