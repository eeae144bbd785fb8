//! The front as an attacker meets it: malformed and ambiguous requests, slow peers, crowds.
mod battery;
mod broken;
mod claims;
mod crowds;
mod raw;
mod slow;
