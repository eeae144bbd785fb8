<?php
$metadata['@VENDOR@'] = [
    'AssertionConsumerService' => '@CONSUMER@',
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
];
