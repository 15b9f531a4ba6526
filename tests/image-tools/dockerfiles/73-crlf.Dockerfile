FROM localhost/base
ENV A=b
RUN echo x >/x
COPY plain.txt /crlf/
LABEL end=here
