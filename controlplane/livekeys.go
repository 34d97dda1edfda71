package controlplane

import (
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// The ids of the keys that are in no file.
const (
	inProcessKeyID    = "key_in_process"           // of Server.Client
	operatorKeyPrefix = "key_operator_"            // of Server.Operator
	devOperatorKeyID  = "key_development_operator" // of Config.OperatorKey
)

// ownKey reports whether the id is that of a key of this process, which is in no
// table. The keys of the clients in the process are the host's own, who holds the
// server, also after a restart.
func (s *Server) ownKey(tenant, id string) bool {
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
