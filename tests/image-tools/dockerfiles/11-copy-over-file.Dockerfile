FROM localhost/base
RUN echo old >/x && chmod 600 /x && mkdir /d && echo old >/d/plain.txt
COPY plain.txt /x
COPY plain.txt /d/
