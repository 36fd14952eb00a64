#include "lib/message.h"

static const char *const messages[][2] = {
	[MSG_SCAN_QR] = {"Escaneie o QR Code com seu WhatsApp",
		"Scan the QR code with your WhatsApp"},
	[MSG_ENTER_CODE] = {"Digite este código no seu WhatsApp",
		"Enter this code in your WhatsApp"},
	[MSG_ALREADY_CONNECTED] = {"WhatsApp já conectado",
		"WhatsApp already connected"},
	[MSG_DISCONNECTED] = {"WhatsApp desconectado com sucesso",
		"WhatsApp disconnected successfully"},
	[MSG_NOT_CONNECTED] = {"WhatsApp não conectado", "WhatsApp not connected"},
	[MSG_SCAN_TO_CONNECT] = {"Escaneie o QR Code para conectar",
		"Scan the QR code to connect"},
	[MSG_QR_LATER] = {"Instância criada. O QR Code ainda não está pronto: peça-o "
			  "de novo em alguns segundos.",
		"The instance is made. Its QR code is not ready yet: ask for it again "
		"in a few seconds."},
	[MSG_RESTARTED] = {"Instância reiniciada", "Instance restarted"},
	[MSG_LOGGED_OUT] = {"WhatsApp desconectado da instância",
		"WhatsApp logged out of the instance"},
	[MSG_DELETED] = {"A instância será desconectada e excluída",
		"The instance will be logged out and deleted"},
	[MSG_SEVERAL] =
		{"Mais de um servidor tem uma instância com esse nome: use o id.",
			"Several servers have an instance of that name: use its id."},
	[MSG_NOT_ADMINS] = {"Essa instância não foi criada por um administrador ou "
			    "está sendo excluída.",
		"That instance was not made by an administrator, or is being deleted."},
	[MSG_NO_SESSION] = {"O servidor não tem a sessão dessa instância. Peça o QR "
			    "Code para criá-la de novo.",
		"The server has no session of that instance. Ask for its QR code to "
		"make it anew."},
	[MSG_SENT] = {"Mensagem enviada", "Message sent"},
	[MSG_SEND_UNKNOWN] = {"Não sabemos se a mensagem saiu: o WhatsApp não "
			      "respondeu a "
			      "tempo. Ela não será repetida.",
		"It is not known whether the message went out: WhatsApp did not answer "
		"in time. It will not be repeated."},
	[MSG_NO_DEVICE_YET] = {"Nenhum WhatsApp está conectado a esta conta. Conecte "
			       "um "
			       "para enviar.",
		"No WhatsApp is connected to this account. Connect one to send."},
	[MSG_ALL_DISCONNECTED] =
		{"O WhatsApp está desconectado. Reconecte-o para enviar.",
			"The WhatsApp is disconnected. Reconnect it to send."},
	[MSG_HOUR_USED] = {"A cota de mensagens desta hora acabou.",
		"This hour's messages are used up."},
	[MSG_DAY_USED] = {"A cota de mensagens de hoje acabou.",
		"Today's messages are used up."},
	[MSG_IN_MAINTENANCE] = {"O serviço de WhatsApp está em manutenção. Sua conexão "
				"volta sozinha.",
		"The WhatsApp service is under maintenance. Your connection will come "
		"back by itself."},
	[MSG_DEVICE_LOGGED_OUT] = {"Dispositivo desconectado com sucesso",
		"Device logged out successfully"},
	[MSG_RELEASED] = {"A instância foi liberada e será esvaziada",
		"The instance is released and will be emptied"},
	[MSG_NOT_ASSIGNED] = {"Ninguém está usando essa instância.",
		"Nobody is using that instance."},
	[MSG_EVENT_EXPIRED] = {"O conteúdo desse evento já foi apagado.",
		"The content of that event has been deleted already."},
	[MSG_POOL] = {"Pool de instâncias", "Pool of instances"},
	[MSG_POOL_FREE] = {"Reserva", "In reserve"},
	[MSG_FREE] = {"livres", "free"},
	[MSG_TARGET] = {"meta", "target"},
	[MSG_MAKING] = {"em preparo", "being prepared"},
	[MSG_FREE_LEAST] = {"menor número de livres", "fewest free"},
	[MSG_POOL_USED] = {"Uso", "In use"},
	[MSG_ASSIGNED] = {"em uso", "in use"},
	[MSG_ONLINE] = {"conectadas", "connected"},
	[MSG_LATENCY] = {"Tempo de resposta", "Response time"},
	[MSG_MEAN] = {"média", "mean"},
	[MSG_LONGEST] = {"maior", "longest"},
	[MSG_DOWN] = {"fora do ar", "down"},
	[MSG_SESSIONS] = {"Sessões", "Sessions"},
	[MSG_SESSIONS_HELD] = {"no servidor", "on the server"},
	[MSG_NO_DATA] = {"sem dados", "no data"},
	[MSG_LATEST] = {"agora", "now"},
	[MSG_LEAST] = {"mínimo", "least"},
	[MSG_MOST] = {"máximo", "most"},
	[MSG_LAST_HOUR] = {"última hora", "last hour"},
	[MSG_LAST_DAY] = {"últimas 24 horas", "last 24 hours"},
	[MSG_LAST_WEEK] = {"últimos 7 dias", "last 7 days"},
	[MSG_WANT_RANGE] = {"O range é \"hour\", \"day\" ou \"week\".",
		"The range is \"hour\", \"day\" or \"week\"."},
	[MSG_WANT_THEME] = {"O theme é \"light\", \"dark\" ou \"auto\".",
		"The theme is \"light\", \"dark\" or \"auto\"."},
	[MSG_WANT_WIDTH] = {"A width é um número de 280 a 1600.",
		"The width is a number from 280 to 1600."},
	[MSG_WANT_EMAIL] = {"Informe um endereço de e-mail.",
		"Give an e-mail address."},
	[MSG_WANT_PASSWORD] = {"Informe a senha.", "Give the password."},
	[MSG_WANT_METHOD] = {"O method é \"qr\" ou \"code\".",
		"The method is \"qr\" or \"code\"."},
	[MSG_WANT_NUMBER] = {"Informe o número do celular com o código do país, ex.: "
			     "5511999999999.",
		"Give the phone's number with its country code, e.g. "
		"5511999999999."},
	[MSG_WANT_DEVICE] = {"O deviceId é um UUID.", "A deviceId is a UUID."},
	[MSG_WANT_WEBHOOK_URL] =
		{"A url é um endereço http:// ou https:// público, sem "
		 "usuário, senha ou fragmento.",
			"The url is a public http:// or https:// address without user, "
			"password or fragment."},
	[MSG_WANT_EVENTS] = {"Os events são uma lista de tipos conhecidos; sem a "
			     "lista, "
			     "todos são enviados.",
		"The events are a list of known types; without the list all are "
		"sent."},
	[MSG_WANT_STATE] = {"O state é pending, delivered, parked ou skipped.",
		"The state is pending, delivered, parked or skipped."},
	[MSG_WEBHOOK_DISABLED] =
		{"O webhook está desativado. Registre-o novamente antes "
		 "de reenviar.",
			"The webhook is disabled. Register it again before a replay."},
	[MSG_WANT_NAME] = {"Informe um nome de 1 a 255 caracteres.",
		"Give a name of 1 to 255 characters."},
	[MSG_WANT_URL] = {"Informe um endereço que comece com http:// ou https://, "
			  "sem usuário, senha, espaços ou parâmetros.",
		"Give an address that begins with http:// or https://, without user, "
		"password, blanks or parameters."},
	[MSG_WANT_PUBLIC_URL] = {"Este endereço não é público, ou a porta não é de "
				 "um serviço web.",
		"This address is not public, or the port is not a web service's."},
	[MSG_WANT_TEXT] = {"Um texto de até 2000 caracteres, ou null.",
		"A text of up to 2000 characters, or null."},
	[MSG_WANT_TRUTH] = {"true ou false.", "true or false."},
	[MSG_WANT_NUMBER_IN] = {"Um número inteiro dentro dos limites",
		"A whole number within the limits"},
	[MSG_WANT_KIND] = {"O tipo é um dos que a documentação lista, como \"waha\".",
		"The kind is one that the documentation lists, as \"waha\"."},
	[MSG_WANT_KEY] = {"A chave tem até 1024 caracteres, sem espaços nem acentos.",
		"A key has up to 1024 characters, without blanks and accents."},
	[MSG_WANT_KEY_AGAIN] =
		{"A chave guardada não vai para outro endereço. Informe de "
		 "novo a chave deste servidor.",
			"The stored key does not go to another address. Give this "
			"server's "
			"key again."},
	[MSG_WANT_SECRET] = {"O segredo tem de 16 a 255 caracteres, sem espaços nem "
			     "acentos.",
		"A secret has 16 to 255 characters, without blanks and accents."},
	[MSG_WANT_OWNER] = {"O user_id é o de um usuário, ou null para a plataforma.",
		"A user_id is a user's, or null for the platform."},
	[MSG_WANT_FILTER] = {"Um dos parâmetros da consulta tem um valor inválido.",
		"One of the query parameters has an invalid value."},
	[MSG_WANT_CURSOR] = {"O cursor não veio de uma página anterior.",
		"The cursor is not one of a page before."},
	[MSG_WANT_LIMIT] = {"O limit vai de 1 a 200.", "A limit is 1 to 200."},
	[MSG_READ_ONLY] = {"Este campo é somente de leitura.",
		"This field is read-only."},
	[MSG_NO_SUCH_FIELD] = {"Este campo não existe.", "This field does not exist."},
	[MSG_PROBE_OK] = {"Conexão bem-sucedida.", "The connection works."},
	[MSG_PROBE_DNS] = {"O nome do servidor não existe. Confira o endereço.",
		"The server's name does not exist. Check the address."},
	[MSG_PROBE_REFUSED] = {"Ninguém atende nesse endereço e porta. O servidor "
			       "está ligado?",
		"Nobody answers at that address and port. Is the server running?"},
	[MSG_PROBE_TLS] = {"A conexão segura falhou: o certificado não é confiável "
			   "ou a porta não usa HTTPS.",
		"The secure connection failed: the certificate is not trusted, or the "
		"port does not speak HTTPS."},
	[MSG_PROBE_TIMEOUT] = {"O servidor não respondeu a tempo.",
		"The server did not answer in time."},
	[MSG_PROBE_BLOCKED] = {"Este endereço não é público, ou a porta não é de um "
			       "serviço web: não é permitido usá-lo.",
		"This address is not public, or the port is not a web service's: it "
		"may not be used."},
	[MSG_PROBE_UNAUTHORIZED] = {"O servidor respondeu, mas recusou a chave.",
		"The server answered, but refused the key."},
	[MSG_PROBE_NOT_A_GATEWAY] = {"O servidor respondeu, mas não como um servidor "
				     "de WhatsApp desse tipo.",
		"The server answered, but not as a WhatsApp server of that kind."},
	[MSG_PROBE_FAILED] = {"O servidor interrompeu a conexão ou informou um erro.",
		"The server broke off or reported an error."},
	[MSG_WANT_INSTANCE] = {"O nome tem de 1 a 64 letras, números, _ ou -, e não a "
			       "forma dos nomes do pool (pool-1-1).",
		"A name is 1 to 64 letters, digits, _ or -, and not of the form of the "
		"pool's names (pool-1-1)."},
	[MSG_WANT_SERVER] = {"Informe o id ou o nome de um servidor ativo.",
		"Give the id or the name of an active server."},
	[MSG_WANT_TO] = {"Informe em to o número com o código do país, ex.: "
			 "5511999999999, ou o id de um grupo.",
		"Give in to the number with its country code, e.g. 5511999999999, or a "
		"group's id."},
	[MSG_WANT_MESSAGE] = {"Informe o texto, com até 4096 caracteres.",
		"Give the text, up to 4096 characters."},
	[MSG_WANT_STRATEGY] = {"A strategy é \"sticky\", \"round_robin\" ou "
			       "\"least_loaded\".",
		"The strategy is \"sticky\", \"round_robin\" or \"least_loaded\"."},
	[MSG_WANT_CLIENT] = {"O clienteId é um UUID.", "A clienteId is a UUID."},
	[MSG_WANT_DEVICE_NAME] = {"O nome do dispositivo tem de 1 a 100 caracteres.",
		"A device's name has 1 to 100 characters."},
	[MSG_WHICH_DEVICE] = {"Você tem mais de um dispositivo: informe deviceId, "
			      "clienteId "
			      "ou strategy.",
		"You have more than one device: give deviceId, clienteId or strategy."},
};

/* status, Retry-After, code, {title pt, en}, {detail pt, en} */
static const struct problem_info problems[] = {
	[PROBLEM_BAD_REQUEST] = {400, 0, "bad-request",
		{"Requisição inválida", "Bad request"},
		{"Não foi possível entender a requisição.",
			"The request could not be understood."}},
	[PROBLEM_BAD_JSON] = {400, 0, "bad-json", {"JSON inválido", "Invalid JSON"},
		{"O corpo da requisição precisa ser um objeto JSON válido.",
			"The request body must be a valid JSON object."}},
	[PROBLEM_INVALID] = {422, 0, "invalid-field",
		{"Campo inválido", "Invalid field"},
		{"Um dos campos enviados tem um valor inválido.",
			"One of the fields sent has an invalid value."}},
	[PROBLEM_UNAUTHORIZED] = {401, 0, "unauthorized",
		{"Não autenticado", "Not authenticated"},
		{"Faça login para continuar.", "Log in to continue."}},
	[PROBLEM_BAD_LOGIN] = {401, 0, "bad-login",
		{"E-mail ou senha incorretos", "Wrong e-mail or password"},
		{"Confira o e-mail e a senha e tente novamente.",
			"Check the e-mail and the password and try again."}},
	[PROBLEM_FORBIDDEN] = {403, 0, "forbidden", {"Acesso negado", "Access denied"},
		{"Você não tem permissão para fazer isso.",
			"You are not allowed to do this."}},
	[PROBLEM_BAD_SIGNATURE] = {401, 0, "bad-signature",
		{"Assinatura inválida", "Invalid signature"},
		{"A assinatura do evento está ausente ou não confere.",
			"The event's signature is missing or does not match."}},
	[PROBLEM_NOT_FOUND] = {404, 0, "not-found", {"Não encontrado", "Not found"},
		{"O endereço ou item solicitado não existe.",
			"The address or item requested does not exist."}},
	[PROBLEM_DEVICE_NOT_FOUND] = {404, 0, "device-not-found",
		{"Dispositivo não encontrado", "Device not found"},
		{"Nenhum dispositivo seu tem esse identificador.",
			"None of your devices has this identifier."}},
	[PROBLEM_NO_QR] = {409, 0, "no-qr", {"QR Code indisponível", "No QR code"},
		{"Não há QR Code para escanear agora. Clique em Conectar WhatsApp.",
			"There is no QR code to scan now. Click Connect WhatsApp."}},
	[PROBLEM_METHOD] = {405, 0, "method-not-allowed",
		{"Método não permitido", "Method not allowed"},
		{"Este endereço não aceita esse método HTTP.",
			"This address does not accept that HTTP method."}},
	[PROBLEM_TOO_LARGE] = {413, 0, "too-large",
		{"Requisição grande demais", "Request too large"},
		{"O conteúdo enviado passa do tamanho permitido.",
			"The content sent exceeds the size allowed."}},
	[PROBLEM_MEDIA_TYPE] = {415, 0, "unsupported-media-type",
		{"Tipo de conteúdo não suportado", "Unsupported content type"},
		{"Envie o corpo como application/json.",
			"Send the body as application/json."}},
	[PROBLEM_NOT_ACCEPTABLE] = {406, 0, "not-acceptable",
		{"Formato não disponível", "Not acceptable"},
		{"Este endereço só responde text/event-stream: peça-o no cabeçalho "
		 "Accept.",
			"This address answers text/event-stream only: ask for it in "
			"Accept."}},
	[PROBLEM_IDEMPOTENCY_KEY] = {400, 0, "idempotency-key",
		{"Idempotency-Key inválida", "Invalid Idempotency-Key"},
		{"O cabeçalho Idempotency-Key está ausente ou malformado.",
			"The Idempotency-Key header is missing or malformed."}},
	[PROBLEM_IDEMPOTENCY_BUSY] = {409, 2, "idempotency-busy",
		{"Requisição em andamento", "Request in progress"},
		{"A primeira requisição com esta Idempotency-Key ainda está em "
		 "andamento. "
		 "Tente novamente em alguns segundos.",
			"The first request with this Idempotency-Key is still in "
			"progress. "
			"Try again in a few seconds."}},
	[PROBLEM_IDEMPOTENCY_REUSE] = {422, 0, "idempotency-reuse",
		{"Idempotency-Key já utilizada", "Idempotency-Key already used"},
		{"Esta Idempotency-Key já foi utilizada em outra requisição.",
			"This Idempotency-Key was already used for another request."}},
	[PROBLEM_POOL_EMPTY] = {503, 2, "pool-empty",
		{"Não há instâncias disponíveis no momento",
			"No connections are available right now"},
		{"Tente novamente em alguns segundos. Estamos criando mais instâncias.",
			"Try again in a few seconds. We are creating more."}},
	[PROBLEM_GATEWAY] = {502, 0, "gateway-failed",
		{"Falha na comunicação com o WhatsApp",
			"WhatsApp could not be reached"},
		{"O serviço do WhatsApp não respondeu como esperado. Tente novamente.",
			"The WhatsApp service did not answer as expected. Try again."}},
	[PROBLEM_GATEWAY_SLOW] = {504, 5, "gateway-slow",
		{"O WhatsApp demorou para responder",
			"WhatsApp took too long to answer"},
		{"Tente novamente em alguns segundos. Sua conexão está sendo "
		 "preparada.",
			"Try again in a few seconds. Your connection is being "
			"prepared."}},
	[PROBLEM_UNAVAILABLE] = {503, 2, "unavailable",
		{"Serviço indisponível no momento", "Service unavailable right now"},
		{"Tente novamente em alguns segundos.", "Try again in a few seconds."}},
	[PROBLEM_INTERNAL] = {500, 0, "internal", {"Erro interno", "Internal error"},
		{"Algo deu errado do nosso lado. Tente novamente mais tarde.",
			"Something went wrong on our side. Try again later."}},
	[PROBLEM_CONFLICT] = {409, 0, "conflict",
		{"Operação não permitida agora", "Not possible right now"},
		{"O estado atual não permite essa operação.",
			"The current state does not allow this operation."}},
	[PROBLEM_SERVER_EXISTS] = {409, 0, "server-exists",
		{"Servidor já cadastrado", "Server already registered"},
		{"Já existe um servidor com este endereço.",
			"There is a server with this address already."}},
	[PROBLEM_SERVER_IN_USE] = {409, 0, "server-in-use",
		{"Servidor em uso", "Server in use"},
		{"O servidor ainda tem sessões ativas. Esvazie-o primeiro, ou use "
		 "force=drain.",
			"The server still has live sessions. Drain it first, or use "
			"force=drain."}},
	[PROBLEM_PRECONDITION] = {412, 0, "precondition-failed",
		{"Alterado por outra pessoa", "Changed by somebody else"},
		{"O item mudou depois que você o leu. Leia-o de novo e repita.",
			"The item has changed since you read it. Read it again and "
			"repeat."}},
	[PROBLEM_NAME_TAKEN] = {409, 0, "name-taken",
		{"Nome já utilizado", "Name taken"},
		{"Esse nome já está em uso.", "That name is in use already."}},
	[PROBLEM_NO_ROOM] = {503, 0, "no-room",
		{"Não há servidor com espaço", "No server has room"},
		{"Todos os servidores estão cheios ou desativados. Aumente "
		 "max_sessions ou adicione um servidor.",
			"Every server is full or switched off. Raise max_sessions or "
			"add a server."}},
	[PROBLEM_NO_INSTANCE] = {503, 0, "no-instance",
		{"Nenhum WhatsApp disponível", "No WhatsApp available"},
		{"Nenhum WhatsApp pode enviar agora.",
			"No WhatsApp can send right now."}},
	[PROBLEM_QUOTA] = {429, 0, "quota-used",
		{"Cota de mensagens esgotada", "Message quota used up"},
		{"A cota de mensagens acabou. Tente novamente mais tarde.",
			"The message quota is used up. Try again later."}},
	[PROBLEM_DEVICE_LIMIT] = {409, 0, "device-limit",
		{"Limite de dispositivos atingido", "Device limit reached"},
		{"Esta conta não pode ter mais dispositivos. Remova um para adicionar "
		 "outro.",
			"This account cannot have more devices. Remove one to add "
			"another."}},
	[PROBLEM_SERVER_LIMIT] = {409, 0, "server-limit",
		{"Limite de servidores atingido", "Server limit reached"},
		{"Esta conta não pode ter mais servidores. Remova um para adicionar "
		 "outro.",
			"This account cannot have more servers. Remove one to add "
			"another."}},
	[PROBLEM_MAINTENANCE] = {503, 60, "maintenance",
		{"Em manutenção", "Under maintenance"},
		{"O serviço de WhatsApp está em manutenção. Sua conexão volta sozinha; "
		 "tente novamente em alguns minutos.",
			"The WhatsApp service is under maintenance. Your connection "
			"will come back by itself; try again in a few minutes."}},
	[PROBLEM_IDEMPOTENCY_FULL] = {429, 0, "idempotency-full",
		{"Muitas Idempotency-Keys", "Too many Idempotency-Keys"},
		{"Esta conta já tem o máximo de respostas guardadas. Use menos chaves "
		 "ou espere até que as mais antigas expirem.",
			"This account has as many stored answers as it may. Use fewer "
			"keys, or wait until the oldest expire."}},
	[PROBLEM_TOO_MANY] = {429, 2, "too-many-requests",
		{"Muitas requisições", "Too many requests"},
		{"Você fez requisições demais. Aguarde alguns segundos e tente "
		 "novamente.",
			"You made too many requests. Wait a few seconds and try "
			"again."}},
	[PROBLEM_CLAIMS_USED] = {429, 60, "claims-used",
		{"Muitas conexões seguidas", "Connected too often"},
		{"Você conectou e desconectou vezes demais. Aguarde alguns minutos e "
		 "tente novamente.",
			"You connected and disconnected too many times. Wait a few "
			"minutes and try again."}},
	[PROBLEM_WEBHOOKS_FULL] = {429, 0, "webhooks-full",
		{"Muitos webhooks", "Too many webhooks"},
		{"Os servidores desta conta já enviaram tudo o que podem em um dia.",
			"The servers of this account have sent as much as they may "
			"in a day."}},
};

const char *
message_text(enum message m, enum lang lang)
{
	if ((unsigned)m >= MSG__MAX)
		return "";
	return messages[m][lang == LANG_EN];
}

const struct problem_info *
problem_info(enum problem p)
{
	if ((unsigned)p >= PROBLEM__MAX)
		p = PROBLEM_INTERNAL;
	return &problems[p];
}
