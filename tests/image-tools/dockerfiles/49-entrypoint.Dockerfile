FROM localhost/base
CMD ["inherited"]
FROM localhost/base AS two
ENTRYPOINT ["/bin/echo"]
CMD ["arg"]
