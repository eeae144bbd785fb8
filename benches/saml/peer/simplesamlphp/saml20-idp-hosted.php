<?php
$metadata['@BASE@/idp'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'signing.key',
    'certificate' => 'signing.pem',
    'auth' => 'readers',
    'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:uri',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'saml20.sign.response' => true,
    'saml20.sign.assertion' => true,
];
