FROM scratch
ENV X=1
COPY plain.txt /
