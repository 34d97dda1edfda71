package redact

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// secret is part of every secret value in these tests, and of nothing else.
const secret = "hunter2"

const (
	token     = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJl"
	basicPair = "Basic dXNlcjpodW50ZXIy" // user:hunter2
)

func redactAndMarshal(t *testing.T, a aureus.Approval) (aureus.Approval, string) {
	t.Helper()
	Approval(&a)
	text, err := strictjson.Marshal(a)
	require.NoError(t, err)
	return a, string(text)
}

func parse(t *testing.T, text string) any {
	t.Helper()
	value, err := strictjson.Parse([]byte(text))
	require.NoError(t, err, text)
	return value
}

func TestApproval_Arguments_OnlySecretsAreHidden(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		arguments string
		redacted  []string
		visible   []string
	}{
		"not a secret": {
			arguments: `{"author":"Ann","authorization":{"iban":"DE89370400440532013000","amount":500},"token_amount":"12.5","secretary":"Bob","max_tokens":5}`,
			visible:   []string{"Ann", "DE89370400440532013000", `"amount":500`, "12.5", "Bob", `"max_tokens":5`},
		},
		"a text":            {arguments: `{"password":"hunter2","amount":1}`, redacted: []string{"/arguments/password"}, visible: []string{`"amount":1`}},
		"a number":          {arguments: `{"password":20202,"pin":1234}`, redacted: []string{"/arguments/password", "/arguments/pin"}},
		"a list":            {arguments: `{"passwords":["hunter2",["hunter2"]]}`, redacted: []string{"/arguments/passwords/0", "/arguments/passwords/1/0"}},
		"below a name":      {arguments: `{"secret":{"value":"hunter2","iban":"DE1","x":{"y":"hunter2"}}}`, redacted: []string{"/arguments/secret/value", "/arguments/secret/x/y"}, visible: []string{"DE1"}},
		"credentials":       {arguments: `{"credentials":{"username":"ann","x":"hunter2"}}`, redacted: []string{"/arguments/credentials/x"}, visible: []string{"ann"}},
		"not below a token": {arguments: `{"token":{"symbol":"USDC","amount":"12"},"auth":{"user":"ann","password":"hunter2"}}`, redacted: []string{"/arguments/auth/password"}, visible: []string{"USDC", `"12"`, "ann"}},
		"a traded token":    {arguments: `{"token":"USDC","x":{"token":"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"}}`, visible: []string{"USDC", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"}},
		"many tokens":       {arguments: `{"tokens":{"a":"hunter2","spent":7}}`, redacted: []string{"/arguments/tokens/a"}, visible: []string{`"spent":7`}},
		"names with values": {arguments: `{"env":[{"name":"DB_PASSWORD","value":"hunter2"},{"name":"REGION","value":"eu"}]}`, redacted: []string{"/arguments/env/0/value"}, visible: []string{"DB_PASSWORD", "eu"}},
		"flags":             {arguments: `{"password":true,"has_token":false,"secret":null,"api_key":""}`, visible: []string{`"password":true`, `"secret":null`}},
		"a web token":       {arguments: `{"note":"` + token + `"}`, redacted: []string{"/arguments/note"}},
		"a scheme":          {arguments: `["Bearer hunter2","` + basicPair + `","basic requirements","bearer of good news"]`, redacted: []string{"/arguments/0", "/arguments/1"}, visible: []string{"basic requirements", "bearer of good news"}},
		"a key in a text":   {arguments: `{"note":"use ghp_hunter2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa please"}`, redacted: []string{"/arguments/note"}, visible: []string{"use [REDACTED", "] please"}},
		"a private key":     {arguments: `{"note":"-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\n"}`, redacted: []string{"/arguments/note"}, visible: []string{"-----BEGIN RSA PRIVATE KEY-----[REDACTED", "-----END RSA"}},
		"a public key":      {arguments: `{"note":"-----BEGIN PUBLIC KEY-----\nMFww\n-----END PUBLIC KEY-----"}`, visible: []string{"MFww"}},
		"a URL":             {arguments: `{"dsn":"postgres://app:hunter2@db.example/ledger?sslmode=require"}`, redacted: []string{"/arguments/dsn"}, visible: []string{"postgres://app:[REDACTED", "]@db.example/ledger?sslmode=require"}},
		"a query in a URL":  {arguments: `{"url":"https://x.example/a?access_token=hunter2&amount=5"}`, redacted: []string{"/arguments/url"}, visible: []string{"amount=5"}},
		"a command":         {arguments: `{"command":"deploy --password hunter2 --region eu --token=hunter2aa"}`, redacted: []string{"/arguments/command"}, visible: []string{"--region eu"}},
		"a header line":     {arguments: `{"curl":"curl -H 'Authorization: Bearer hunter2' https://x"}`, redacted: []string{"/arguments/curl"}, visible: []string{"https://x"}},
		"YAML":              {arguments: `{"file":"db:\n  user: ann\n  password: hunter2 hunter2\n  pool: 5\n"}`, redacted: []string{"/arguments/file"}, visible: []string{"user: ann", "pool: 5"}},
		"XML":               {arguments: `{"soap":"<a:Login><a:User>ann</a:User><a:Password type=\"t\">hunter2</a:Password></a:Login>"}`, redacted: []string{"/arguments/soap"}, visible: []string{"ann"}},
		"a connection":      {arguments: `{"conn":"Server=db;Uid=app;Pwd=hunter2;Pooling=true"}`, redacted: []string{"/arguments/conn"}, visible: []string{"Uid=app", "Pooling=true"}},
		"JSON in a text":    {arguments: `{"body":"{\"password\":\"hunter2\",\"iban\":\"DE1\"}"}`, redacted: []string{"/arguments/body/password"}, visible: []string{"DE1"}},
		"JSON in JSON":      {arguments: `{"a":"{\"b\":\"{\\\"password\\\":\\\"hunter2\\\",\\\"n\\\":1}\"}"}`, redacted: []string{"/arguments/a/b/password"}, visible: []string{`n\\\":1`}},
		"JSON in prose":     {arguments: `{"log":"sent {\"password\":\"hunter2\",\"n\":7} and stopped"}`, redacted: []string{"/arguments/log"}, visible: []string{`\"n\":7`, "stopped"}},
		"a form in a text":  {arguments: `{"body":"amount=5&password=hunter2"}`, redacted: []string{"/arguments/body/password"}, visible: []string{"amount=5"}},
		"numbers in texts":  {arguments: `{"note":"token count: 500, tokens=500"}`, visible: []string{"token count: 500, tokens=500"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, text := redactAndMarshal(t, aureus.Approval{Arguments: parse(t, row.arguments)})
			require.NotContains(t, text, secret)
			require.NotContains(t, text, "20202")
			require.NotContains(t, text, "1234,")
			require.Equal(t, row.redacted, a.Redacted)
			for _, visible := range row.visible {
				require.Contains(t, text, visible)
			}
		})
	}
}

func TestApproval_Body_FormatIsDetectedFromContent(t *testing.T) {
	t.Parallel()
	multipart := "--b1\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n" +
		"--b1\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n500\r\n" +
		"--b1\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"token\":\"hunter2\",\"iban\":\"DE1\"}\r\n" +
		"--b1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n\xff\x00hunter2\r\n--b1--\r\n"
	for name, row := range map[string]struct {
		kind, encoding, body string
		redacted, visible    []string
	}{
		"JSON": {"application/json", "", `{"amount":500,"password":"hunter2"}`, []string{"/http/body/password"}, []string{`"amount":500`}},
		"a form": {
			"application/x-www-form-urlencoded", "", "user=ann&pass%77ord=hunter2&amount=500&json=%7B%22token%22%3A%22hunter2%22%2C%22n%22%3A1%7D",
			[]string{"/http/body/json/token", "/http/body/password"},
			[]string{"user=ann", "amount=500", `"n":1`},
		},
		"a form with type JSON":      {"application/json", "", "user=ann&password=hunter2", []string{"/http/body/password"}, []string{"user=ann"}},
		"a form without type":        {"", "", "user=ann&password=hunter2", []string{"/http/body/password"}, []string{"user=ann"}},
		"a form with spaces":         {"application/x-www-form-urlencoded", "", "note=a b: c&password=hunter2 x", []string{"/http/body/password"}, []string{"note=a b: c"}},
		"JSON with type form":        {"application/x-www-form-urlencoded", "", `{"password":"hunter2","a":"b=c&d"}`, []string{"/http/body/password"}, []string{"b=c&d"}},
		"JSON with type text":        {"text/plain", "", ` {"password":"hunter2","n":1} `, []string{"/http/body/password"}, []string{`"n":1`}},
		"JSON with a duplicate name": {"application/json", "", `{"password":"hunter2","n":1,"n":2}`, []string{"/http/body"}, []string{`"n":1,"n":2`}},
		"JSON with a trailing comma": {"application/json", "", `{"password":"hunter2","n":1,}`, []string{"/http/body"}, []string{`"n":1,}`}},
		"JSON in a JSON text":        {"application/json", "", `"{\"password\":\"hunter2\",\"n\":1}"`, []string{"/http/body/password"}, []string{`n\\\":1`}},
		"JSON lines":                 {"application/x-ndjson", "", "{\"password\":\"hunter2\",\"n\":1}\n{\"n\":2}\n{\"token\":\"hunter2\"}\n", []string{"/http/body/0/password", "/http/body/2/token"}, []string{`"n":1`, `{"n":2}`}},
		"JSON lines, one invalid":    {"text/plain", "", "{\"n\":1}\r\n{\"password\":\"hunter2\",}\r\n", []string{"/http/body/1"}, []string{`{"n":1}`}},
		"concatenated JSON":          {"application/json", "", `{"n":1}{"password":"hunter2"}`, []string{"/http/body"}, []string{`{"n":1}`}},
		"events":                     {"text/event-stream", "", "data: {\"password\":\"hunter2\",\"n\":1}\n\n", []string{"/http/body"}, []string{"n"}},
		"multipart":                  {"multipart/form-data; boundary=b1", "", multipart, []string{"/http/body/file", "/http/body/meta/token", "/http/body/password"}, []string{"500", "DE1", "UNREADABLE length:9 ", "a.bin"}},
		"multipart without type":     {"", "", multipart, []string{"/http/body/file", "/http/body/meta/token", "/http/body/password"}, []string{"500", "DE1"}},
		"multipart with a wrong boundary": {
			"multipart/form-data; boundary=other", "", multipart, []string{"/http/body/file", "/http/body/meta/token", "/http/body/password"}, []string{"500"},
		},
		"an encoded part":           {"multipart/form-data; boundary=b", "", "--b\r\nContent-Disposition: form-data; name=\"x\"\r\nContent-Transfer-Encoding: base64\r\n\r\naHVudGVyMg==\r\n--b--", []string{"/http/body/x"}, []string{"UNREADABLE length:12 "}},
		"compressed":                {"application/json", "gzip", "\x1f\x8bhunter2", []string{"/http/body"}, []string{"UNREADABLE length:9 "}},
		"declared as compressed":    {"application/json", "br", `{"password":"hunter2"}`, []string{"/http/body"}, []string{"UNREADABLE"}},
		"compressed, not declared":  {"application/json", "", "\x1f\x8bhunter2", []string{"/http/body"}, []string{"UNREADABLE length:9 "}},
		"UTF-16":                    {"text/plain", "", "h\x00u\x00n\x00", []string{"/http/body"}, []string{"UNREADABLE length:6 "}},
		"identity":                  {"text/plain", "identity", "password=hunter2", []string{"/http/body/password"}, nil},
		"Latin-1":                   {"application/x-www-form-urlencoded", "", "name=Jos\xe9&password=hunter2", []string{"/http/body/password"}, []string{"base64:"}},
		"nothing secret in Latin-1": {"text/plain", "", "Jos\xe9", nil, []string{"base64:Sm9z6Q=="}},
		"nothing secret":            {"application/json", "", "{ \"n\" : 1.50 }\n", nil, []string{`{ \"n\" : 1.50 }\n`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := &aureus.HTTPCall{Method: "POST", ContentType: row.kind, ContentEncoding: row.encoding, Body: aureus.Body(row.body)}
			a, text := redactAndMarshal(t, aureus.Approval{HTTP: call})
			require.NotContains(t, text, secret)
			require.Equal(t, row.redacted, a.Redacted)
			for _, visible := range row.visible {
				require.Contains(t, strings.ReplaceAll(text, `\"`, `"`), strings.ReplaceAll(visible, `\"`, `"`))
			}
			require.Equal(t, row.body, string(call.Body), "the argument is not changed")
			if row.redacted == nil {
				require.Equal(t, row.body, string(a.HTTP.Body), "the body is unchanged")
			}
		})
	}
}

func TestApproval_HTTPCall_SecretsAreHidden(t *testing.T) {
	t.Parallel()
	call := &aureus.HTTPCall{
		Method: "GET", Path: "/reset/" + token, Query: "a=1&access_token=hunter2&b=a%3Db&next=https%3A%2F%2Fx%2F%3Ftoken%3Dhunter2&empty=&c",
		Headers: map[string][]string{
			"Authorization": {"Bearer hunter2"}, "Cookie": {"sid=hunter2", "b=hunter2"}, "X-Api-Key": {"hunter2"}, "X-Author": {"Ann"},
			":path": {"/x?token=hunter2&n=1"}, "X-Json": {`{"password":"hunter2","n":1}`},
		},
	}
	a, text := redactAndMarshal(t, aureus.Approval{HTTP: call})
	require.NotContains(t, text, secret)
	require.NotContains(t, text, token)
	require.Equal(t, []string{
		"/http/headers/:path/~1x?token", "/http/headers/Authorization", "/http/headers/Cookie", "/http/headers/X-Api-Key",
		"/http/headers/X-Json/password", "/http/path", "/http/query/access_token", "/http/query/next",
	}, a.Redacted)
	require.Contains(t, a.HTTP.Query, "a=1&access_token=[REDACTED length:7 digest:")
	require.Contains(t, a.HTTP.Query, "&b=a%3Db&next=https://x/?token=[REDACTED")
	require.Contains(t, a.HTTP.Query, "&empty=&c")
	require.Equal(t, []string{"Ann"}, a.HTTP.Headers["X-Author"])
	require.Contains(t, a.HTTP.Headers[":path"][0], "&n=1")
	require.Len(t, a.HTTP.Headers["Cookie"], 2)
}

func TestApproval_MetadataConditionsReason_SecretsAreHidden(t *testing.T) {
	t.Parallel()
	permissions := []aureus.Permission{{Action: "a", Resource: "r", Conditions: map[string]any{"client_secret": secret, "owner": "ann"}}}
	a, text := redactAndMarshal(t, aureus.Approval{
		Action:    aureus.Action{Metadata: map[string]any{"accessToken": secret, "owner": "ops"}, RequiredPermissions: permissions},
		Principal: aureus.Principal{ID: "p", Permissions: permissions}, Reason: "please use password=hunter2 for it",
	})
	require.NotContains(t, text, secret)
	require.Equal(t, []string{
		"/action/metadata/accessToken", "/action/required_permissions/0/conditions/client_secret",
		"/principal/permissions/0/conditions/client_secret", "/reason",
	}, a.Redacted)
	require.Equal(t, secret, permissions[0].Conditions["client_secret"], "the argument is not changed")
	require.Contains(t, text, "for it")
}

var placeholderPattern = regexp.MustCompile(`^\[REDACTED length:\d+ digest:[0-9a-f]{8}\]$`)

func TestPlaceholder_EqualSecrets_AreEqualWithinOneApproval(t *testing.T) {
	t.Parallel()
	arguments := map[string]any{"password": secret, "old_password": secret, "new_password": "other99"}
	a, _ := redactAndMarshal(t, aureus.Approval{Arguments: arguments})
	b, _ := redactAndMarshal(t, aureus.Approval{Arguments: arguments})
	first, _ := a.Arguments.(map[string]any)
	second, _ := b.Arguments.(map[string]any)
	require.Regexp(t, placeholderPattern, first["password"])
	require.Contains(t, first["password"], "length:7 ")
	require.Equal(t, first["password"], first["old_password"], "the same secret")
	require.NotEqual(t, first["password"], first["new_password"], "another secret of the same length")
	require.NotEqual(t, first["password"], second["password"], "another approval has another salt")
}

func TestApproval_InvisibleCharacters_AreEscaped(t *testing.T) {
	t.Parallel()
	a, _ := redactAndMarshal(t, aureus.Approval{
		Action: aureus.Action{Name: "pay\u202Eeno"}, Reason: "fine\u200b",
		Arguments: map[string]any{
			"to": "DE1\u202E000", "zero\u200dwidth": 1, "zero\\u{200D}width": 2, "zero\u2060width": 3,
			"control": "a\x1b[31mb\rc\r\nd\te\x00", "tag": "a\U000E0041\ufe0f\u00ad\u2028", "plain": "José Ωμέγα ürün ½ नमस्ते",
		},
		HTTP: &aureus.HTTPCall{Query: "q=\u202E", Headers: map[string][]string{"X-N": {"\u2066"}}, Body: aureus.Body("{\"to\":\"\u202Ex\"}")},
	})
	arguments, _ := a.Arguments.(map[string]any)
	require.Equal(t, `pay\u{202E}eno`, a.Action.Name)
	require.Equal(t, `fine\u{200B}`, a.Reason)
	require.Equal(t, `DE1\u{202E}000`, arguments["to"])
	require.Equal(t, "a\\u{001B}[31mb\\u{000D}c\r\nd\te\\u{0000}", arguments["control"])
	require.Equal(t, `a\u{E0041}\u{FE0F}\u{00AD}\u{2028}`, arguments["tag"])
	require.Equal(t, "José Ωμέγα ürün ½ नमस्ते", arguments["plain"])
	require.Equal(t, json.Number("3"), arguments[`zero\u{2060}width`])
	require.Equal(t, json.Number("2"), arguments[`zero\u{200D}width`], "the member whose original name looks escaped")
	require.Len(t, arguments, 7, "two names never become the same")
	require.Equal(t, `q=\u{202E}`, a.HTTP.Query)
	require.Equal(t, aureus.Body(`{"to":"\u{202E}x"}`), a.HTTP.Body)
	require.Equal(t, `\u{2066}`, a.HTTP.Headers["X-N"][0])
	require.Contains(t, a.Escaped, "/arguments/to")
	require.Contains(t, a.Escaped, "/http/body")
	require.NotContains(t, a.Escaped, "/arguments/plain")
	require.Empty(t, a.Redacted)
}

func TestApproval_ManySecrets_LocationListIsLimited(t *testing.T) {
	t.Parallel()
	many := make([]any, 5000)
	for i := range many {
		many[i] = map[string]any{"password": secret}
	}
	a, text := redactAndMarshal(t, aureus.Approval{Arguments: map[string]any{strings.Repeat("long", 64): many}})
	require.NotContains(t, text, secret)
	require.LessOrEqual(t, len(a.Redacted), maxLocations+1)
	require.Empty(t, a.Redacted[len(a.Redacted)-1], "the empty pointer means that there are more")
	size := 0
	for _, pointer := range a.Redacted {
		size += len(pointer)
	}
	require.LessOrEqual(t, size, maxLocationsSize)
}

// Texts nested deeper than maxLevels are not parsed, so they must be hidden.
func TestApproval_DeeplyNestedTexts_AreHidden(t *testing.T) {
	t.Parallel()
	for _, levels := range []int{2, maxLevels - 1, maxLevels, maxLevels + 2} {
		text := `{"password":"hunter2"}`
		for range levels {
			quoted, err := json.Marshal(map[string]string{"in": text})
			require.NoError(t, err)
			text = string(quoted)
		}
		_, seen := redactAndMarshal(t, aureus.Approval{Arguments: text})
		require.NotContains(t, seen, secret, strconv.Itoa(levels))
	}
}

// With these texts a search could scan the same bytes again and again. Each would
// then take minutes.
func TestApproval_HostileTexts_TakeLinearTime(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	for _, piece := range []string{
		"pin=", "pin='", "<pin><![CDATA[", "<pin ", "eyJ-", "eyJa.", "--pin ", "-----BEGIN ", "a://", "token=[REDACTED ", "\\\"", "bearer ",
		"sk-", "basic=", "pin: ", "{\"a\":", "--b\r\n", "key_", ":", "=", "&", "password\n",
	} {
		text := strings.Repeat(piece, (1<<18)/len(piece))
		Approval(&aureus.Approval{Arguments: text, HTTP: &aureus.HTTPCall{Body: aureus.Body(text), Query: text}})
		Approval(&aureus.Approval{HTTP: &aureus.HTTPCall{Body: aureus.Body("--b\r\nContent-Type: a\r\n\r\n" + text)}})
	}
}

func FuzzApproval(f *testing.F) {
	f.Add("application/json", `{"password":"hunter2"}`)
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--b--")
	f.Add("application/x-www-form-urlencoded", "password=hunter2&a=%7B%7D")
	f.Add("", "password: 'hunter2' <token>hunter2</token> --secret hunter2 postgres://a:hunter2@b eyJhbGciOiJub25lIn0.eyJhIjoxfQ.")
	f.Fuzz(func(t *testing.T, kind, body string) {
		a := aureus.Approval{Arguments: body, Reason: body, HTTP: &aureus.HTTPCall{ContentType: kind, Query: body, Path: body, Body: aureus.Body(body)}}
		Approval(&a)
		for _, text := range []string{a.Reason, a.HTTP.Query, a.HTTP.Path, string(a.HTTP.Body)} {
			if !utf8.ValidString(text) { // a body that is encoded as base64
				continue
			}
			require.Equal(t, Visible(text), text, "no invisible character is left")
		}
	})
}
