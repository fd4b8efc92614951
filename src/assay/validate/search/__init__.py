"""A trainer of trainers: parameters searched inside the train window, every one of them counted."""
