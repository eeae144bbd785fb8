# Español: los mismos mensajes que en.ftl.
language-name = Español

# En todas las páginas
skip-to-content = Ir al contenido
site-name = Recursos de la biblioteca
nav-label = Principal
nav-resources = Recursos
nav-privacy = Qué ven los proveedores
nav-sign-in = Iniciar sesión
nav-sign-out = Cerrar sesión
nav-help = Ayuda de { $library }
language-label = Idioma
footer-privacy = Los proveedores nunca saben quién es usted.

# Inicio de sesión
signin-title = Iniciar sesión
signin-heading = Inicie sesión con su tarjeta de la biblioteca
signin-intro = Su número de tarjeta y su PIN llegan solo a su biblioteca. Los proveedores nunca los ven.
signin-onward = Después de iniciar sesión continuará a { $vendor }.
signin-library = Su biblioteca
signin-library-choose = Elija su biblioteca
signin-card = Número de tarjeta de la biblioteca
signin-card-hint = El número de su tarjeta, tal como está impreso.
signin-pin = PIN
signin-pin-hint = Su PIN o contraseña de la biblioteca.
signin-submit = Iniciar sesión
signin-shared-computer = En un equipo compartido, cierre la sesión y el navegador cuando termine.
error-title-prefix = Error:
error-summary = Hay un problema
error-rejected = Este número de tarjeta y PIN no fueron aceptados. Revise ambos e inténtelo de nuevo. Tras varios fallos, el inicio de sesión con esa tarjeta queda en pausa hasta un día, salvo en la biblioteca y en un dispositivo donde ya se usó la tarjeta. Su biblioteca puede ayudarle.
error-no-card = Escriba su número de tarjeta de la biblioteca.
error-no-pin = Escriba su PIN.
error-no-library = Elija su biblioteca.
error-form-expired = Este formulario estuvo abierto demasiado tiempo o su navegador no guardó su cookie. Rellénelo de nuevo; debe permitir cookies para este sitio.

# Recursos
resources-title = Recursos
resources-intro = { $library } ha contratado estos recursos para usted.
resources-none = { $library } no tiene recursos para su tarjeta en este momento.
resources-others = No disponibles con su tarjeta
unavailable-label = No disponible:

# Por qué un recurso no está disponible
denied-no-licence = su biblioteca no tiene licencia para este recurso.
denied-out-of-term = la licencia de su biblioteca no está vigente hoy.
denied-borrower-class = la licencia de su biblioteca no incluye su tipo de tarjeta.
denied-branch = la licencia de su biblioteca no incluye su sucursal.
denied-age = este recurso tiene licencia para otro grupo de edad.
denied-standing = su tarjeta de la biblioteca requiere atención antes de usar este recurso.

# Qué ven los proveedores
privacy-title = Qué ven los proveedores
privacy-intro = Entre usted y cada proveedor está su biblioteca. Le dice al proveedor que un lector tiene derecho de acceso, y nada sobre quién es ese lector.
privacy-never-heading = Lo que ningún proveedor recibe de nosotros
privacy-never-name = Su nombre, dirección, correo electrónico, teléfono o fecha de nacimiento
privacy-never-card = Su número de tarjeta o su PIN
privacy-never-address = La dirección de red de su dispositivo
privacy-never-cookies = Las cookies de este sitio, o lo que lee con otros proveedores
privacy-always-heading = Lo que un proveedor siempre ve
privacy-always-requests = Las páginas y búsquedas que usted le pide, y cuándo
privacy-always-typed = Lo que usted mismo escriba en sus páginas
privacy-always-browser = El idioma de su navegador y, a grandes rasgos, qué tipo de navegador es
privacy-keep-heading = Lo que guardamos
privacy-keep-session = Mientras su sesión está abierta, una nota sellada de que algún lector la ha iniciado. Termina cuando cierra la sesión, o por sí sola tras un tiempo sin uso. No guardamos ningún registro de lo que lee.
privacy-keep-device = En este navegador, durante medio año, una cookie con la que podemos saber que su tarjeta ya se usó aquí, para que quien intente adivinar su PIN en otro lugar no le impida entrar. Nadie puede leer en ella una tarjeta, y los equipos de la biblioteca no reciben ninguna. Contamos los inicios de sesión fallidos durante un día como máximo, sin números de tarjeta.
privacy-vendors-heading = Proveedor por proveedor
privacy-receipts-heading = Lo que se dice de usted a cada proveedor
privacy-receipts-intro = Esto es todo, tal como está hoy.
privacy-sign-in = Inicie sesión para ver exactamente lo que se dice de usted a cada proveedor.
privacy-caption = Lo que se dice a { $vendor }
receipt-fact = Dato
receipt-value = Lo que se le dice
receipt-name = Un nombre para usted
receipt-name-none = Ningún nombre
receipt-name-pseudonym = Un nombre inventado, distinto para cada proveedor, que no dice nada sobre usted
receipt-affiliation = Su biblioteca
receipt-entitlements = Lo que puede usar
receipt-browser = Su navegador
receipt-browser-reduced = Solo su tipo
receipt-browser-full = Su descripción completa
receipt-not-told = No se dice
receipt-of-library = El nombre del dominio de su biblioteca
receipt-library-terms = Las condiciones que acordó su biblioteca
receipts-none = No se dice nada de usted a ningún proveedor: su tarjeta no abre ninguno en este momento.

# Cierre de sesión
signout-title = Cerrar sesión
signout-heading = ¿Quiere cerrar la sesión?
signout-text = Se cerrará su sesión aquí y con todos los proveedores a la vez.
signout-submit = Cerrar sesión
signout-stay = Seguir con la sesión abierta
signedout-title = Sesión cerrada
signedout-text = Su sesión está cerrada en todas partes.
signedout-shared = En un equipo compartido, cierre ahora el navegador.
signedout-again = Iniciar sesión de nuevo

# Problemas: título, una frase sencilla, qué hacer después
problem-code = Si pide ayuda, indique este código: { $code }
problem-go-resources = Ir a sus recursos
problem-go-sign-in = Iniciar sesión
problem-try-again = Intentar de nuevo
problem-unknown-host-title = Aquí no hay nada
problem-unknown-host-text = No hay ningún servicio en esta dirección.
problem-unknown-host-next = Revise la dirección o pregunte a quien se la dio.
problem-bad-request-title = No se pudo entender esta petición
problem-bad-request-text = Su navegador envió algo que no pudimos leer.
problem-bad-request-next = Vuelva atrás e inténtelo de nuevo.
problem-foreign-form-title = Este formulario no se envió desde aquí
problem-foreign-form-text = Por su seguridad, solo aceptamos formularios de nuestras propias páginas.
problem-foreign-form-next = Abra la página de nuevo y envíe el formulario desde allí.
problem-sign-in-again-title = Inicie sesión de nuevo
problem-sign-in-again-text = No ha iniciado sesión o su tiempo aquí ha terminado.
problem-sign-in-again-next = Inicie sesión para continuar.
problem-not-entitled-title = Este recurso no está disponible con su tarjeta
problem-not-entitled-next = Su biblioteca puede decirle qué ha contratado para usted. El proveedor no supo que usted lo pidió.
problem-card-expired-title = Su tarjeta de la biblioteca ha caducado
problem-card-expired-text = Su biblioteca debe renovar la tarjeta antes de que pueda iniciar sesión aquí.
problem-card-expired-next = Pida a su biblioteca que la renueve.
problem-card-blocked-title = Su tarjeta de la biblioteca no se puede usar en este momento
problem-card-blocked-text = Su biblioteca no permite usar aquí esta tarjeta ahora.
problem-card-blocked-next = Pregunte a su biblioteca qué debe hacer.
problem-other-library-title = Esta tarjeta es de otra biblioteca
problem-other-library-text = La tarjeta está en orden, pero no es de la biblioteca que eligió.
problem-other-library-next = Inicie sesión de nuevo y elija su propia biblioteca.
problem-library-down-title = El sistema de la biblioteca no responde
problem-library-down-text = No podemos comprobar tarjetas en este momento. La suya no tiene ningún problema y este intento no se contó.
problem-library-down-next = Inténtelo de nuevo en unos minutos. Quienes ya iniciaron sesión pueden seguir.
problem-not-a-resource-title = No es uno de los recursos de la biblioteca
problem-not-a-resource-text = Esta dirección no es uno de los recursos de la biblioteca.
problem-not-a-resource-host = Esta dirección, en { $host }, no es uno de los recursos de la biblioteca.
problem-not-a-resource-next = Elija de la lista de recursos o diga a su biblioteca dónde encontró el enlace.
problem-not-found-title = Página no encontrada
problem-not-found-text = No hay ninguna página en esta dirección.
problem-not-found-next = Revise la dirección o empiece por la lista de recursos.
problem-wrong-method-title = Esta página no se puede usar así
problem-wrong-method-text = La página existe, pero no para este tipo de petición.
problem-wrong-method-next = Empiece por la lista de recursos.
problem-too-large-title = Se envió demasiado
problem-too-large-text = El formulario contenía más de lo que puede contener.
problem-too-large-next = Vuelva atrás e inténtelo con entradas más cortas.
problem-wrong-type-title = No se pudo leer este formulario
problem-wrong-type-text = El formulario se envió de una manera que no entendemos.
problem-wrong-type-next = Abra la página de nuevo y envíe el formulario desde allí.
problem-store-down-title = Inténtelo de nuevo en un momento
problem-store-down-text = En este momento no podemos saber quién ha iniciado sesión.
problem-store-down-next = Espere un momento e inténtelo de nuevo.
problem-vendor-down-title = El proveedor no responde
problem-vendor-down-text = No se puede llegar al sitio del proveedor en este momento. El servicio de su biblioteca funciona.
problem-vendor-down-next = Inténtelo de nuevo en unos minutos.
problem-vendor-slow-title = El proveedor tarda demasiado
problem-vendor-slow-text = El sitio del proveedor no respondió a tiempo. El servicio de su biblioteca funciona.
problem-vendor-slow-next = Inténtelo de nuevo en unos minutos.
problem-our-fault-title = Algo salió mal aquí
problem-our-fault-text = El error es nuestro, no suyo.
problem-our-fault-next = Inténtelo de nuevo; si se repite, avise a su biblioteca.
