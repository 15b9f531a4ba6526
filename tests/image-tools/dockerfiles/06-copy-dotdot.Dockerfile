FROM localhost/base
COPY ./dir/../plain.txt /a
COPY dir /x/../y/./z
