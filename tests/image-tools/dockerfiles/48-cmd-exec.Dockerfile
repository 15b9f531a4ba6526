FROM localhost/base
CMD ["echo", "a b", "c"]
