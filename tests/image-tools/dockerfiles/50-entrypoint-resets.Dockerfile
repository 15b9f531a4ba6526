FROM localhost/base AS parent
CMD ["parent-cmd"]
FROM parent
ENTRYPOINT ["/bin/echo"]
