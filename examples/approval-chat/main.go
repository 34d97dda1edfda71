// Approval-chat posts approvals to a chat tool: a receiver of webhooks writes a message
// with a link, whose page shows by GET and decides only by POST, in the person's own
// session.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // yours: whsec_$(openssl rand -base64 32)

func main() {
	if err := run(context.Background()); err != nil {
		panic(err)
	}
}

func run(ctx context.Context) error {
	messages := make(chan string, 10)
	chat := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { // stands for the chat tool
		var message struct {
			Text string `json:"text"`
		}
		if json.NewDecoder(r.Body).Decode(&message) == nil {
			messages <- message.Text
		}
	}))
	defer chat.Close()
	seat := &receiver{client: http.Client{Timeout: 10 * time.Second}, secret: secret, chat: chat.URL, seen: map[string]time.Time{}, sessions: map[string]session{}}
	web := httptest.NewServer(seat.handler())
	defer web.Close()
	seat.own = web.URL

	server, err := controlplane.Open(ctx, controlplane.Config{
		Ephemeral: true, WebhookHosts: []string{"127.0.0.1"},
		Webhooks: []controlplane.Webhook{{Name: "chat", URL: web.URL + "/hook", Secret: secret, Kinds: []string{"approval.asked", "approval.decided"}}},
	})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	plane := httptest.NewServer(server)
	defer plane.Close()
	seat.plane = plane.URL
	_, key, err := server.Keys().Add(ctx, "setup", controlplane.Key{Subject: "olga", Role: controlplane.RoleOperator})
	if err != nil {
		return err
	}

	decision, err := server.Client().Decide(ctx, aureus.Request{
		Principal: aureus.Principal{ID: "agent-1", Type: "agent"},
		Action:    aureus.Action{ID: "refund", Name: "Refund", RiskTier: aureus.TierHigh}, Arguments: map[string]any{"order": "A-17"},
	})
	if err != nil {
		return err
	}
	fmt.Println("the agent:", decision.Effect)
	text, link, _ := strings.Cut(<-messages, ": ")
	fmt.Println("in the chat:", text)
	return decideInBrowser(ctx, link, key, web.URL, messages)
}

// decideInBrowser does what a person does with the link.
func decideInBrowser(ctx context.Context, link, key, own string, messages <-chan string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar}
	send := func(address string, form url.Values) (status, body string, err error) {
		method := http.MethodGet
		if form != nil {
			method = http.MethodPost
		}
		request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return "", "", err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := browser.Do(request)
		if err != nil {
			return "", "", err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		return response.Status, string(text), err
	}
	status, _, err := send(link, url.Values{"verdict": {"approve"}})
	if err != nil {
		return err
	}
	fmt.Println("approving without a session:", status)
	if _, _, err = send(own+"/login", url.Values{"key": {key}}); err != nil {
		return err
	}
	_, shown, err := send(link, nil)
	if err != nil {
		return err
	}
	form := url.Values{"verdict": {"approve"}}
	for _, field := range regexp.MustCompile(`name="(token|digest)" value="([^"]+)"`).FindAllStringSubmatch(shown, -1) {
		form.Set(field[1], field[2])
	}
	fmt.Println("the page shows a pending refund:", strings.Contains(shown, "<h1>Refund: pending</h1>"))
	if status, _, err = send(link, form); err != nil {
		return err
	}
	fmt.Println("approving with olga's session:", status)
	fmt.Println("in the chat:", <-messages)
	return nil
}
