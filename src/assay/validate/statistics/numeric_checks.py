"""See `assay.validate.argument_checks`, which loads nothing heavy."""

from assay.validate.argument_checks import check_share as check_share
from assay.validate.argument_checks import plain as plain
from assay.validate.argument_checks import together as together
from assay.validate.argument_checks import whole as whole
