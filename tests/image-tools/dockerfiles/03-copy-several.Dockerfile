FROM localhost/base
COPY plain.txt script.sh dir /all/
