# Every text that a reader sees. A message may be changed in messages/en.ftl of the library's own pages folder.
language-name = English

# On every page
skip-to-content = Skip to content
site-name = Library resources
nav-label = Main
nav-resources = Resources
nav-privacy = What vendors see
nav-sign-in = Sign in
nav-sign-out = Sign out
nav-help = Help from { $library }
language-label = Language
footer-privacy = Vendors never learn who you are.

# Signing in
signin-title = Sign in
signin-heading = Sign in with your library card
signin-intro = Your card number and PIN go to your library only. Vendors never see them.
signin-onward = After you sign in you will continue to { $vendor }.
signin-library = Your library
signin-library-choose = Choose your library
signin-card = Library card number
signin-card-hint = The number on your library card, as it is printed.
signin-pin = PIN
signin-pin-hint = Your library PIN or password.
signin-submit = Sign in
signin-shared-computer = On a shared computer, sign out and close the browser when you have finished.
error-title-prefix = Error:
error-summary = There is a problem
error-rejected = This card number and PIN were not accepted. Check both and try again. After several failures, sign-in with that card is paused for up to a day, except in the library and on a device where the card was used before. Your library can help you.
error-no-card = Enter your library card number.
error-no-pin = Enter your PIN.
error-no-library = Choose your library.
error-form-expired = This form was open too long, or your browser did not keep its cookie. Please fill it in again; cookies must be allowed for this site.

# Resources
resources-title = Resources
resources-intro = { $library } has licensed these resources for you.
resources-none = { $library } has no resources for your card at the moment.
resources-others = Not available with your card
unavailable-label = Not available:

# Why a resource is not available
denied-no-licence = your library has no licence for this resource.
denied-out-of-term = your library’s licence is not in force today.
denied-borrower-class = your library’s licence does not cover your type of card.
denied-branch = your library’s licence does not cover your branch.
denied-age = this resource is licensed for another age group.
denied-standing = your library card needs attention before you can use this resource.

# What vendors see
privacy-title = What vendors see
privacy-intro = Between you and each vendor stands your library. It tells a vendor that a reader is entitled, and nothing about who that reader is.
privacy-never-heading = What no vendor gets from us
privacy-never-name = Your name, address, e-mail, telephone number or date of birth
privacy-never-card = Your library card number or PIN
privacy-never-address = The network address of your device
privacy-never-cookies = The cookies of this site, or what you read at other vendors
privacy-always-heading = What a vendor always sees
privacy-always-requests = The pages and searches that you ask it for, and when
privacy-always-typed = Whatever you type into its pages yourself
privacy-always-browser = Your browser’s language, and what kind of browser it is in coarse terms
privacy-keep-heading = What we keep
privacy-keep-session = While you are signed in, a sealed note that some reader is signed in. It ends when you sign out, or by itself after a time without use. We keep no record of what you read.
privacy-keep-device = In this browser, for half a year, a cookie by which we can tell that your card was used here before, so that somebody who guesses at your PIN elsewhere cannot keep you out. Nobody can read a card from it, and computers in the library get none. For at most a day we count failed sign-ins, without card numbers.
privacy-vendors-heading = Vendor by vendor
privacy-receipts-heading = What each vendor is told about you
privacy-receipts-intro = This is the whole of it, as it stands today.
privacy-sign-in = Sign in to see exactly what each vendor is told about you.
privacy-caption = What { $vendor } is told
receipt-fact = Fact
receipt-value = What it is told
receipt-name = A name for you
receipt-name-none = No name at all
receipt-name-pseudonym = A made-up name that is different at every vendor and tells nothing about you
receipt-affiliation = Your library
receipt-entitlements = What you may use
receipt-browser = Your browser
receipt-browser-reduced = Its kind only
receipt-browser-full = Its full description
receipt-not-told = Not told
receipt-of-library = The name of your library’s domain
receipt-library-terms = The terms that your library agreed
receipts-none = No vendor is told anything about you: your card opens none at the moment.

# Signing out
signout-title = Sign out
signout-heading = Do you want to sign out?
signout-text = You will be signed out here and at every vendor at once.
signout-submit = Sign out
signout-stay = Stay signed in
signedout-title = Signed out
signedout-text = You are signed out everywhere.
signedout-shared = On a shared computer, close the browser now.
signedout-again = Sign in again

# Problems: title, one plain sentence, what to do next
problem-code = If you ask for help, give this code: { $code }
problem-go-resources = Go to your resources
problem-go-sign-in = Sign in
problem-try-again = Try again
problem-unknown-host-title = Nothing here
problem-unknown-host-text = There is no service at this address.
problem-unknown-host-next = Check the address, or ask whoever gave it to you.
problem-bad-request-title = This request could not be understood
problem-bad-request-text = Your browser sent something that we could not read.
problem-bad-request-next = Go back and try again.
problem-foreign-form-title = This form was not sent from here
problem-foreign-form-text = For your safety, we accept forms only from our own pages.
problem-foreign-form-next = Open the page again and send the form from there.
problem-sign-in-again-title = Please sign in again
problem-sign-in-again-text = You are not signed in, or your time here has run out.
problem-sign-in-again-next = Sign in and you can go on.
problem-not-entitled-title = This resource is not available with your card
problem-not-entitled-next = Your library can tell you what it has licensed for you. The vendor was not told that you asked.
problem-card-expired-title = Your library card has expired
problem-card-expired-text = Your library must renew your card before you can sign in here.
problem-card-expired-next = Ask your library to renew it.
problem-card-blocked-title = Your library card cannot be used at the moment
problem-card-blocked-text = Your library does not allow this card to be used here now.
problem-card-blocked-next = Ask your library what needs to be done.
problem-other-library-title = This card belongs to another library
problem-other-library-text = The card is in order, but it is not a card of the library that you chose.
problem-other-library-next = Sign in again and choose your own library.
problem-library-down-title = The library’s system does not answer
problem-library-down-text = We cannot check cards at the moment. Nothing is wrong with yours, and this attempt was not counted.
problem-library-down-next = Please try again in a few minutes. Readers who are signed in already can go on.
problem-not-a-resource-title = Not one of the library’s resources
problem-not-a-resource-text = This address is not one of the library’s resources.
problem-not-a-resource-host = This address, at { $host }, is not one of the library’s resources.
problem-not-a-resource-next = Choose from the list of resources, or tell your library where you found the link.
problem-not-found-title = Page not found
problem-not-found-text = There is no page at this address.
problem-not-found-next = Check the address, or begin at the list of resources.
problem-wrong-method-title = This page cannot be used in that way
problem-wrong-method-text = The page exists, but not for this kind of request.
problem-wrong-method-next = Begin at the list of resources.
problem-too-large-title = Too much was sent
problem-too-large-text = The form held more than it can hold.
problem-too-large-next = Go back and try again with shorter entries.
problem-wrong-type-title = This form could not be read
problem-wrong-type-text = The form was sent in a way that we do not understand.
problem-wrong-type-next = Open the page again and send the form from there.
problem-store-down-title = Please try again in a moment
problem-store-down-text = We cannot tell at the moment who is signed in.
problem-store-down-next = Wait a moment and try again.
problem-vendor-down-title = The vendor does not answer
problem-vendor-down-text = The vendor’s site cannot be reached at the moment. Your library’s service is working.
problem-vendor-down-next = Please try again in a few minutes.
problem-vendor-slow-title = The vendor takes too long
problem-vendor-slow-text = The vendor’s site did not answer in time. Your library’s service is working.
problem-vendor-slow-next = Please try again in a few minutes.
problem-our-fault-title = Something went wrong here
problem-our-fault-text = The mistake is ours, not yours.
problem-our-fault-next = Try again; if it happens again, tell your library.
