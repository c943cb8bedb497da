"""Files and calls that are not what they seem: `python -m robustness --minutes 10 [--seed N] [--reader X]`.

Valid files are changed, in their bytes and in their structure, and read in a process of bounded memory and time; ops
and layers are called with drawn arguments in drawn orders, and held to the definition; so are networks of all layers,
their plans, copies, files, integers and ONNX (networks); the front door and the estimators get odd data (front). An
answer is right, and so is one line of PellucidError; a traceback, a crash, a hang, or more than a gigabyte is a
finding, printed with its seed and kept in a folder. A seed gives the same input again.
"""
