package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// receiver turns webhooks into messages of a chat tool, and serves the page that they link
// to. The page shows the approval to whoever has logged in, and decides only by POST, with
// the person's own key.
type receiver struct {
	secret, plane, chat, own string // the webhook's secret, and addresses
	client                   http.Client

	mu       sync.Mutex
	seen     map[string]time.Time // when the messages with these ids came, for ten minutes
	sessions map[string]session   // at most maxSessions; a real one also ends them after some time
}

type session struct {
	client *aureus.Client
	token  string // in each form, so that another site cannot send one
}

const (
	cookie      = "session"
	maxBody     = 256 << 10
	maxSessions = 100
	remembered  = 10 * time.Minute // twice as long as a signed message is accepted
)

// handler refuses what pages of other sites send: without that they could log a person in
// with a key of their own.
func (r *receiver) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", r.hook)
	mux.HandleFunc("POST /login", r.login)
	mux.HandleFunc("GET /approvals/{id}", r.show)
	mux.HandleFunc("POST /approvals/{id}", r.decide)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (r *receiver) hook(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	if err != nil {
		http.Error(w, "refused", http.StatusBadRequest) // without it, the answer is 200: delivered
		return
	}
	event, err := aureus.VerifyWebhook(r.secret, request.Header, body, time.Now())
	if err != nil {
		http.Error(w, "refused", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	_, again := r.seen[event.ID]
	r.mu.Unlock()
	if again {
		return
	}
	if err := r.post(request.Context(), event); err != nil {
		http.Error(w, "the chat tool does not answer", http.StatusBadGateway) // the control plane tries again
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.seen, func(_ string, at time.Time) bool { return time.Since(at) > remembered })
	r.seen[event.ID] = time.Now()
}

// plain writes what an agent has chosen so that a chat tool makes no link or mention of it.
var plain = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u200b", "://", ":\u200b//")

// post writes a message in the form that many chat tools take: {"text": "..."}.
func (r *receiver) post(ctx context.Context, event aureus.WebhookEvent) error {
	principal, action := plain.Replace(event.Data.Principal), plain.Replace(event.Data.Action)
	text := fmt.Sprintf("%s asks for %s (%s): %s/approvals/%s", principal, action, event.Data.RiskTier, r.own, event.Data.ApprovalID)
	if event.Type == "approval.decided" {
		text = fmt.Sprintf("%s by %s: %s", event.Data.Verdict, plain.Replace(event.Data.By), action)
	}
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.chat, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the chat tool answered with the status %d", response.StatusCode)
	}
	return nil
}

func (r *receiver) session(request *http.Request) (session, bool) {
	c, err := request.Cookie(cookie)
	if err != nil {
		return session{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sessions[c.Value]
	return s, ok
}

func (r *receiver) login(w http.ResponseWriter, request *http.Request) {
	request.Body = http.MaxBytesReader(w, request.Body, maxBody)
	client, err := aureus.NewClient(r.plane, aureus.WithAPIKey(request.PostFormValue("key")))
	if err != nil {
		http.Error(w, "this is not a key", http.StatusBadRequest)
		return
	}
	for _, err := range client.Approvals(request.Context(), aureus.ApprovalQuery{}) { // only a valid key gets a session
		if err != nil {
			_ = client.Close() // it has no calls under way
			http.Error(w, "the control plane refused the key", http.StatusForbidden)
			return
		}
		break
	}
	id := r.start(client)
	// The example listens on loopback without TLS; behind TLS, also set Secure.
	cookie := http.Cookie{Name: cookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode} //nolint:gosec // see above
	http.SetCookie(w, &cookie)
}

// start starts a session and returns its id. If there are too many, another one ends.
func (r *receiver) start(client *aureus.Client) (id string) {
	id = rand.Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, s := range r.sessions {
		if len(r.sessions) < maxSessions {
			break
		}
		_ = s.client.Close() // its calls under way fail
		delete(r.sessions, other)
	}
	r.sessions[id] = session{client: client, token: rand.Text()}
	return id
}

var page = template.Must(template.New("").Parse(`<!doctype html><title>Approval</title>
<h1>{{.Approval.Action.Name}}: {{.Approval.Status}}</h1>
<p>{{.Approval.Principal.ID}} asks, because: {{.Approval.Reason}}</p><pre>{{.Arguments}}</pre>
<form method="post"><input type="hidden" name="token" value="{{.Token}}"><input type="hidden" name="digest" value="{{.Approval.ActionDigest}}">
<button name="verdict" value="approve">Approve</button> <button name="verdict" value="reject">Reject</button></form>`))

// show only shows: a link that a chat tool or a mail filter opens decides nothing.
func (r *receiver) show(w http.ResponseWriter, request *http.Request) {
	s, ok := r.session(request)
	if !ok {
		http.Error(w, "log in first", http.StatusForbidden)
		return
	}
	approval, err := s.client.Approval(request.Context(), request.PathValue("id"))
	if err != nil {
		http.Error(w, "this approval cannot be shown", http.StatusNotFound)
		return
	}
	arguments, err := json.MarshalIndent(approval.Arguments, "", "  ")
	if err != nil {
		http.Error(w, "the arguments cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'")
	_ = page.Execute(w, map[string]any{"Approval": approval, "Arguments": string(arguments), "Token": s.token}) // it fails if the browser has left
}

// decide decides as the person who has logged in, about what the page has shown.
func (r *receiver) decide(w http.ResponseWriter, request *http.Request) {
	request.Body = http.MaxBytesReader(w, request.Body, maxBody)
	s, ok := r.session(request)
	if !ok || subtle.ConstantTimeCompare([]byte(request.PostFormValue("token")), []byte(s.token)) != 1 {
		http.Error(w, "log in and open the page first", http.StatusForbidden)
		return
	}
	var shown aureus.Digest
	if err := shown.UnmarshalText([]byte(request.PostFormValue("digest"))); err != nil {
		http.Error(w, "the digest is wrong", http.StatusBadRequest)
		return
	}
	verdict := s.client.Reject
	if request.PostFormValue("verdict") == "approve" {
		verdict = s.client.Approve
	}
	if _, err := verdict(request.Context(), request.PathValue("id"), shown, ""); err != nil {
		http.Error(w, "the control plane refused", http.StatusConflict)
	}
}
