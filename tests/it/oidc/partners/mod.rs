//! Clients that nobody of this project wrote, on whole journeys through the OpenID Provider: openid-client,
//! express-openid-connect (npm), Authlib (PyPI) and Apache with `mod_auth_openidc` (Debian).
mod apache;
mod authlib;
mod chromium;
mod express;
mod openid_client;
mod program;
mod rotation;
mod scene;
mod told;
mod vendors;
