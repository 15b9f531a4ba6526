FROM localhost/base
ADD plain.txt /x
ADD dir /d/
ADD --chown=3:4 script.sh /owned/
