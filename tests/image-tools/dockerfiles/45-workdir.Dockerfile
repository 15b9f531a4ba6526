FROM localhost/base
ENV D=var
WORKDIR /a
WORKDIR b/c
WORKDIR ../$D
RUN pwd >/pwd
