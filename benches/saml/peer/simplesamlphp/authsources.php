<?php
// Readers who are signed in as soon as they come; each has a session of their own all the same.
$config = [
    'readers' => [
        'exampleauth:StaticSource',
        'urn:oid:1.3.6.1.4.1.5923.1.1.1.9' => ['member@bench.example.org'],
        'urn:oid:1.3.6.1.4.1.25178.1.2.9' => ['bench.example.org'],
        'urn:oasis:names:tc:SAML:attribute:pairwise-id' => ['mfrggzdfmztwq2lknnwg23tpobyxe43u@bench.example.org'],
    ],
];
