"""The tracking API: experiments, models, datasets and metrics for anybody's training script."""
