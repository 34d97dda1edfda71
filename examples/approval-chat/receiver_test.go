package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// newReceiver returns a receiver whose control plane refuses every key, and whose chat tool
// stores the text of the last message in said.
func newReceiver(t *testing.T) (r *receiver, said *string) {
	t.Helper()
	plane := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(plane.Close)
	said = new(string)
	chat := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message map[string]string
		if json.NewDecoder(r.Body).Decode(&message) == nil {
			*said = message["text"]
		}
	}))
	t.Cleanup(chat.Close)
	return &receiver{secret: secret, plane: plane.URL, chat: chat.URL, own: "https://own.example", seen: map[string]time.Time{}, sessions: map[string]session{}}, said
}

func answer(r *receiver, path, body string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	maps.Copy(request.Header, header)
	recorder := httptest.NewRecorder()
	r.handler().ServeHTTP(recorder, request)
	return recorder
}

func TestLogin_KeyThatIsNotValid_StartsNoSession(t *testing.T) {
	t.Parallel()
	r, _ := newReceiver(t)
	got := answer(r, "/login", url.Values{"key": {"made-up"}}.Encode(), nil)
	require.Equal(t, http.StatusForbidden, got.Code)
	require.Empty(t, got.Result().Cookies())
	require.Empty(t, r.sessions)
}

func TestHandler_FormOfAnotherSite_IsRefused(t *testing.T) {
	t.Parallel()
	r, _ := newReceiver(t)
	for name, value := range map[string]string{"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"} {
		got := answer(r, "/login", "key=", http.Header{name: {value}})
		require.Equal(t, http.StatusForbidden, got.Code, name)
		require.Contains(t, got.Body.String(), "cross-origin", name)
	}
}

func TestStart_ManySessions_AreLimited(t *testing.T) {
	t.Parallel()
	r, _ := newReceiver(t)
	for range 2 * maxSessions {
		client, err := aureus.NewClient(r.plane, aureus.WithAPIKey("key"))
		require.NoError(t, err)
		require.Contains(t, r.sessions, r.start(client))
	}
	require.Len(t, r.sessions, maxSessions)
}

func TestHook_BodyThatIsTooLarge_IsNotTakenForDelivered(t *testing.T) {
	t.Parallel()
	r, _ := newReceiver(t)
	require.Equal(t, http.StatusBadRequest, answer(r, "/hook", strings.Repeat("x", maxBody+1), nil).Code)
}

func TestPost_NamesThatAnAgentHasChosen_AreNoMarkup(t *testing.T) {
	t.Parallel()
	r, said := newReceiver(t)
	event := aureus.WebhookEvent{Type: "approval.asked", Data: aureus.WebhookEventData{
		Principal: "<https://evil.example|olga>", Action: "@here & refund", ApprovalID: "apr_1",
	}}
	require.NoError(t, r.post(t.Context(), event))
	require.NotContains(t, *said, "<")
	require.NotContains(t, *said, "@here")
	require.NotContains(t, *said, "https://evil")
	require.True(t, strings.HasSuffix(*said, ": https://own.example/approvals/apr_1"), *said)
}
