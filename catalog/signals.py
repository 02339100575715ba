"""What catalog tells whoever listens, always after commit. It knows no listener.

Arguments: `listing`, a Demand or an Achievement.
"""

from django.dispatch import Signal

# The listing has just become live, for the first time or with new contents.
listing_published = Signal()
# It is live no more: withdrawn, closed, expired, suspended or being changed.
listing_left = Signal()
