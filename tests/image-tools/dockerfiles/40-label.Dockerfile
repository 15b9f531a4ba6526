FROM localhost/base
LABEL a=1 "b c"="d e" multi="line one \
line two"
LABEL a=2
LABEL old style label
