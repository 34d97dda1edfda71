package redact

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOfName_SecretsByTheirHead_AreFound(t *testing.T) {
	for name, want := range map[string]kind{
		"password": strong, "Password": strong, "PASSWORD": strong, "dbPassword": strong, "db_password": strong, "DB-PASSWORD": strong,
		"db.password": strong, "password2": strong, "password_1": strong, "passwordHash": strong, "password_confirmation": strong,
		"newPassword": strong, "password_for_db": strong, "passwordOfOwner": strong, "user[password]": strong, "pass_word": strong,
		"passWord": strong, "dbpassword": strong, "userPasswd": strong, "pwd": strong, "passphrase": strong, "pass-phrase": strong,
		"secret": strong, "client_secret": strong, "clientSecret": strong, "clientsecret": strong, "secretKey": strong, "SECRET_KEY_BASE": strong,
		"secrets": strong, "credentials": strong, "apiKey": strong, "APIKey": strong, "API_KEY": strong, "x-api-key": strong, "X-Api-Key": strong,
		"apikey": strong, "privateKey": strong, "Private-Key": strong, "aws_secret_access_key": strong, "accessToken": strong,
		"access_token": strong, "accesstoken": strong, "refresh_token": strong, "X-CSRF-Token": strong, "pass\u200bword": strong,
		"ｐａｓｓｗｏｒｄ": strong, "paſſword": strong, "ＤＢ＿ＰＡＳＳＷＯＲＤ": strong, "pw": strong, "db_pw": strong, "pswd": strong, "cred": strong,
		"token": texts, "authToken": strong, "bot_token": texts, "token_value": texts, "auth": texts, "X-Auth": texts, "authorization": texts,
		"Proxy-Authorization": texts, "cookie": texts, "Set-Cookie": texts, "session": texts, "session_id": texts, "sessionId": texts,
		"JSESSIONID": texts, "jwt": texts, "bearer": texts, "OAuthToken": strong, "tokens": manyOf, "cookies": manyOf,
		"pin": soft, "otp": soft, "cvv": soft, "cvc2": soft, "pass": soft, "securityCode": soft,

		"author": plain, "authors": plain, "authority": plain, "authorized_by": plain, "token_amount": plain, "tokenAmount": plain, "max_tokens_count": plain,
		"token_type": plain, "tokenizer": plain, "secretary": plain, "secret_santa": plain, "cookie_policy": plain, "session_length": plain,
		"password_policy": plain, "password_reset_email": plain, "passport": plain, "passenger": plain, "compass": plain, "pinned": plain,
		"pineapple": plain, "mapping": plain, "key": plain, "public_key": plain, "primaryKey": plain, "idempotency_key": plain, "access_key_id": plain,
		"iban": plain, "amount": plain, "name": plain, "authorization_amount": plain, "bearer_name": plain, "authorId": plain, "": plain, "___": plain,
		"for_password_see": plain, "pass_through": plain, "otpauth_issuer": plain, "\xff": plain,
	} {
		require.Equal(t, want, ofName(name), "%q", name)
	}
}

func TestSplit_Names_GiveWords(t *testing.T) {
	for name, want := range map[string]string{
		"camelCase": "camel case", "HTTPServerURL": "http server url", "snake_case": "snake case", "ke-bab.dot": "ke bab dot",
		"v2Token": "v 2 token", "ÄrgerÜber": "ärger über", "user[pass word]": "user pass word",
	} {
		require.Equal(t, want, strings.Join(split(name), " "), name)
	}
}
