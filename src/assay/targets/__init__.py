"""What comes after t. Never imported by features."""
