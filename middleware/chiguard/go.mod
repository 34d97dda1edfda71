module github.com/farmountain/aureus-go/middleware/chiguard

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/farmountain/aureus-go v0.1.0
	github.com/go-chi/chi/v5 v5.5.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/felixge/httpsnoop v1.1.0 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
