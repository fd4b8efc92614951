"""The contract of strategies, under the name of the other contracts; see `assay.learn.strategies.checks`."""

from assay.learn import check_strategy as check_strategy
from assay.learn import setup_columns as setup_columns
