"""The tables of the record, their guards and views, and the migrations that lay them."""
