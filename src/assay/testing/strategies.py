"""The contract of strategies, under the name of the other contracts; see `assay.learn.strategies.honesty`."""

from assay.learn.strategies.honesty import check_strategy as check_strategy
from assay.learn.strategies.honesty import setup_columns as setup_columns
