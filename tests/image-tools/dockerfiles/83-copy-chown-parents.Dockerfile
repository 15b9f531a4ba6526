FROM localhost/base
COPY --chown=1:2 plain.txt /n1/n2/f
COPY --chown=3:4 dir /n3/n4
ADD --chown=5:6 archive.tar /n5/n6
WORKDIR /n7/n8
COPY --chown=7:8 plain.txt .
