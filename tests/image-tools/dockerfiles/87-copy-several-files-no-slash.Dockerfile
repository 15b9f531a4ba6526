FROM localhost/base
COPY plain.txt other.txt /x
