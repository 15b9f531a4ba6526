from localhost/base as first
run echo x >/x
env A=b
from first
copy plain.txt /
label x=y
