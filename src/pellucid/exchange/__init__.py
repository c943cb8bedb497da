"""Networks from elsewhere and to elsewhere: what other programs write and read."""
