"""The front door: training, trained models and checks for people who write Python."""
