import pytest

pytestmark = pytest.mark.rehearsal

def test_x(world, prepared):
    print(prepared)
    import time
    t=time.time()
    print(world.prepare(world.preparation(WORKSPACES='vision,robots')), time.time()-t)
    env=world.environment()
    with world.start('tracking_server', env) as p:
        import urllib.request
        def r():
            try: urllib.request.urlopen(f"http://127.0.0.1:{env['MLFLOW_PORT']}/health",timeout=2)
            except OSError as e: return str(e)
        t=time.time()
        p.wait_ready(r, seconds=60)
        print('up', time.time()-t)
        import urllib.request
        for path,h in (('/version',{}),('/api/3.0/mlflow/workspaces',{}),('/ajax-api/3.0/mlflow/assistant/config',{}),('/ajax-api/3.0/mlflow/server-info',{})):
            try: print(path, urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{env['MLFLOW_PORT']}{path}",headers={'Host':'mlflow.example.com',**h}),timeout=5).read()[:300])
            except Exception as e: print(path, e, e.read())
        print(world.rows("select usename,application_name,count(*) from pg_stat_activity where datname='mlflow' group by 1,2"))
        t=time.time(); p._popen.terminate(); print(p.wait(20), time.time()-t)
    print(p.log.read_text())
    print(world.login.refusals)
