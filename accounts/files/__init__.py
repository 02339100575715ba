"""Files that people upload: what is in them, viruses, and where they are kept.

Two kinds of files pass here: attachments of listings (catalog) and evidence of organizations
(accounts). Both are private: no address of the web server leads to them, only a view that asks
who may read.
"""
