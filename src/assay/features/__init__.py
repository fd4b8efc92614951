"""What is known at t."""
