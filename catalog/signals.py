"""What catalog tells whoever listens, always after commit. It knows no listener.

Arguments: `kind` ("demand" or "achievement") and `ids` of the listings.
"""

from django.dispatch import Signal

# The listings have just become live, for the first time or with new contents.
listings_published = Signal()
# They are live no more: withdrawn, closed, expired, suspended or being changed.
listings_left = Signal()
