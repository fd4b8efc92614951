"""Does anything that was said at t depend on bars after t?"""
