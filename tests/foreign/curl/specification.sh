# The curl lines of the specification, unchanged, in its order: first the deployment, then what an operator does in trouble.

curl -X POST http://localhost:8000/api/modularity/modules/register \
  -H "Content-Type: application/json" \
  -d '{
    "name": "neural_predictor_v2",
    "module_path": "src.ml.inference.neural_predictor_v2",
    "version": "2.0.0",
    "dependencies": ["feature_extractor"],
    "hot_reloadable": true
  }'

curl -X POST http://localhost:8000/api/modularity/modules/neural_predictor_v2/load

curl -X POST http://localhost:8000/api/modularity/modules/neural_predictor_v2/test?module_type=ml

curl -X POST http://localhost:8000/api/modularity/feature-flags/percentage \
  -H "Content-Type: application/json" \
  -d '{
    "name": "neural_network_v2",
    "percentage": 10.0
  }'

curl http://localhost:8000/api/modularity/circuit-breakers

curl -X POST http://localhost:8000/api/modularity/feature-flags/percentage \
  -d '{"name": "neural_network_v2", "percentage": 25.0}'

curl -X POST http://localhost:8000/api/modularity/feature-flags/percentage \
  -d '{"name": "neural_network_v2", "percentage": 50.0}'

curl -X POST http://localhost:8000/api/modularity/feature-flags/enable \
  -d '{"name": "neural_network_v2", "enabled": true, "strategy": "all_on"}'

curl -X POST http://localhost:8000/api/modularity/modules/swap \
  -H "Content-Type: application/json" \
  -d '{
    "name": "neural_predictor",
    "new_version_path": "src.ml.inference.neural_predictor_v2"
  }'

curl http://localhost:8000/api/modularity/modules/my_module/status

curl http://localhost:8000/api/modularity/circuit-breakers

curl -X POST http://localhost:8000/api/modularity/circuit-breakers/my_breaker/reset

curl http://localhost:8000/api/modularity/feature-flags

curl "http://localhost:8000/api/modularity/feature-flags/my_flag?context={\"session_id\":\"test\"}"
