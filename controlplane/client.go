package controlplane

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// The ids of the keys that exist in the memory of this process only.
const (
	inProcessKeyID    = "key_in_process"           // of Server.Client
	operatorKeyPrefix = "key_operator_"            // of Server.Operator, before a hash of the subject
	devOperatorKeyID  = "key_development_operator" // of Config.OperatorKey
)

// clientSecrets holds the secrets of the clients in the process, so that each key is
// made once.
type clientSecrets struct {
	mu      sync.Mutex
	byKeyID map[string]string
}

// Client returns a client of this server that needs no socket. Its key has the role
// service, the subject "in-process" and the server's tenant, and may speak for every
// principal. The key ends with the server; its id is the same after a restart. After
// the server is closed, the client returns errors.
func (s *Server) Client() *aureus.Client {
	return s.client(web.Caller{KeyID: inProcessKeyID, Subject: "in-process", Role: web.Service, SpeaksFor: []string{Everyone}})
}

// Operator returns a client like that of [Server.Client] for the person or program
// named by subject. It may decide approvals and read everything of the server's tenant.
// The server does not check who subject is: the caller must make sure that the client
// is used only by that person. It panics if the subject is empty or invalid.
func (s *Server) Operator(subject string) *aureus.Client {
	if err := validName("subject", subject); err != nil {
		panic("controlplane: Server.Operator: " + err.Error())
	}
	sum := sha256.Sum256([]byte(subject))
	return s.client(web.Caller{KeyID: operatorKeyPrefix + hex.EncodeToString(sum[:8]), Subject: subject, Role: web.Operator})
}

func (s *Server) client(c web.Caller) *aureus.Client {
	c.Tenant = s.config.Tenant
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	secret, ok := s.clients.byKeyID[c.KeyID]
	if !ok {
		secret = newSecret().text
		s.clients.byKeyID[c.KeyID] = secret
		s.web.AddKey(secret, c)
	}
	client, err := aureus.NewClient("http://localhost", aureus.WithAPIKey(secret),
		aureus.WithTimeout(30*time.Second), aureus.WithHTTPClient(&http.Client{Transport: s.web.Transport()}))
	if err != nil { // cannot happen: the options are constant
		panic("controlplane: making a client in the process: " + err.Error())
	}
	return client
}

// isProcessKey reports whether the id is that of a key that is kept in memory only, not
// in the store. The store calls it to check whether the key of a workflow is still
// valid: the keys of Client and Operator are, also after a restart.
func (s *Server) isProcessKey(tenant, id string) bool {
	switch {
	case tenant != s.config.Tenant:
		return false
	case id == inProcessKeyID, strings.HasPrefix(id, operatorKeyPrefix):
		return true
	case id == web.DevKeyID:
		return s.config.Dev
	case id == devOperatorKeyID:
		return s.config.OperatorKey != ""
	}
	return false
}
