//! What an attacker sends to the identity provider, and that nothing comes of it: no response, no page of another's making,
//! no session, and hardly any work.
mod asker;
mod consumers;
mod costs;
mod echoed;
mod logout;
mod malformed;
mod smuggled;
mod statuses;
mod tenants;
mod wrapped;
