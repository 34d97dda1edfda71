package redact

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKindOfName_EachName_HasItsKind(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]kind{
		"password": secretAll, "Password": secretAll, "PASSWORD": secretAll, "dbPassword": secretAll, "db_password": secretAll, "DB-PASSWORD": secretAll,
		"db.password": secretAll, "password2": secretAll, "password_1": secretAll, "passwordHash": secretAll, "password_confirmation": secretAll,
		"newPassword": secretAll, "password_for_db": secretAll, "passwordOfOwner": secretAll, "user[password]": secretAll, "pass_word": secretAll,
		"passWord": secretAll, "dbpassword": secretAll, "userPasswd": secretAll, "pwd": secretAll, "passphrase": secretAll, "pass-phrase": secretAll,
		"secret": secretAll, "client_secret": secretAll, "clientSecret": secretAll, "clientsecret": secretAll, "secretKey": secretAll, "SECRET_KEY_BASE": secretAll,
		"secrets": secretAll, "credentials": secretAll, "apiKey": secretAll, "APIKey": secretAll, "API_KEY": secretAll, "x-api-key": secretAll, "X-Api-Key": secretAll,
		"apikey": secretAll, "privateKey": secretAll, "Private-Key": secretAll, "aws_secret_access_key": secretAll, "accessToken": secretAll,
		"access_token": secretAll, "accesstoken": secretAll, "refresh_token": secretAll, "X-CSRF-Token": secretAll, "pass\u200bword": secretAll,
		"ｐａｓｓｗｏｒｄ": secretAll, "paſſword": secretAll, "ＤＢ＿ＰＡＳＳＷＯＲＤ": secretAll, "pw": secretAll, "db_pw": secretAll, "pswd": secretAll, "cred": secretAll,
		"token": secretTexts, "authToken": secretAll, "bot_token": secretTexts, "token_value": secretTexts, "auth": secretTexts, "X-Auth": secretTexts, "authorization": secretTexts,
		"Proxy-Authorization": secretTexts, "cookie": secretTexts, "Set-Cookie": secretTexts, "session": secretTexts, "session_id": secretTexts, "sessionId": secretTexts,
		"JSESSIONID": secretTexts, "jwt": secretTexts, "bearer": secretTexts, "OAuthToken": secretAll, "tokens": secretCollection, "cookies": secretCollection,
		"pin": secretCode, "otp": secretCode, "cvv": secretCode, "cvc2": secretCode, "pass": secretCode, "securityCode": secretCode,

		"author": notSecret, "authors": notSecret, "authority": notSecret, "authorized_by": notSecret, "token_amount": notSecret, "tokenAmount": notSecret, "max_tokens_count": notSecret,
		"token_type": notSecret, "tokenizer": notSecret, "secretary": notSecret, "secret_santa": notSecret, "cookie_policy": notSecret, "session_length": notSecret,
		"password_policy": notSecret, "password_reset_email": notSecret, "passport": notSecret, "passenger": notSecret, "compass": notSecret, "pinned": notSecret,
		"pineapple": notSecret, "mapping": notSecret, "key": notSecret, "public_key": notSecret, "primaryKey": notSecret, "idempotency_key": notSecret, "access_key_id": notSecret,
		"iban": notSecret, "amount": notSecret, "name": notSecret, "authorization_amount": notSecret, "bearer_name": notSecret, "authorId": notSecret, "": notSecret, "___": notSecret,
		"for_password_see": notSecret, "pass_through": notSecret, "otpauth_issuer": notSecret, "\xff": notSecret,
	} {
		require.Equal(t, want, kindOfName(name), "%q", name)
	}
}

func TestSplitWords_Names_AreSplit(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"camelCase": "camel case", "HTTPServerURL": "http server url", "snake_case": "snake case", "ke-bab.dot": "ke bab dot",
		"v2Token": "v 2 token", "ÄrgerÜber": "ärger über", "user[pass word]": "user pass word",
	} {
		require.Equal(t, want, strings.Join(splitWords(name), " "), name)
	}
}
