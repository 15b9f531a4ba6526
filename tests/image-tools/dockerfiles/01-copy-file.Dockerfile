FROM localhost/base
COPY plain.txt /x
COPY plain.txt /new/dir/
COPY plain.txt /etc
