"""Soft-voting ensemble of random forest, XGBoost and LightGBM, each also alone."""
