import { check } from '../../helper/lookups.ts'
import { zoneOptions } from '../../helper/sample-cluster.ts'

check('pods disabled', [['no names', 'A', '10-9-0-1.testns.pod.D', 'NXDOMAIN']])

check(
  'pods insecure',
  [
    ['any address', 'A', '10-1-2-3.testns.pod.D', ['10-1-2-3.testns.pod.D 5 A 10.1.2.3']],
    ['the other family', 'AAAA', '10-1-2-3.testns.pod.D', 'NODATA'],
    ['IPv6', 'AAAA', 'fd00--7.testns.pod.D', ['fd00--7.testns.pod.D 5 AAAA fd00::7']],
    ['the namespace must exist', 'A', '10-1-2-3.nope.pod.D', 'NXDOMAIN'],
    ['leading zeros', 'A', '10-1-2-03.testns.pod.D', 'NXDOMAIN'],
    ['out of range', 'A', '10-1-2-256.testns.pod.D', 'NXDOMAIN'],
    ['no address', 'A', 'web-0.testns.pod.D', 'NXDOMAIN'],
    [
      'up to two labels in front do not matter',
      'A',
      'a.b.10-1-2-3.testns.pod.D',
      ['a.b.10-1-2-3.testns.pod.D 5 A 10.1.2.3'],
    ],
    ['three are too many', 'A', 'a.b.c.10-1-2-3.testns.pod.D', 'NXDOMAIN'],
    [
      'SRV',
      'SRV',
      '10-1-2-3.testns.pod.D',
      [
        '10-1-2-3.testns.pod.D 5 SRV 0 100 0 10-1-2-3.testns.pod.D',
        '+ 10-1-2-3.testns.pod.D 5 A 10.1.2.3',
      ],
    ],
    ['the namespace', 'A', 'testns.pod.D', 'NODATA'],
    ['a missing namespace', 'A', 'nope.pod.D', 'NXDOMAIN'],
  ],
  zoneOptions({ pods: 'insecure' }),
)

check(
  'pods verified',
  [
    ['a running Pod', 'A', '10-9-0-1.testns.pod.D', ['10-9-0-1.testns.pod.D 5 A 10.9.0.1']],
    ['a pending Pod', 'A', '10-9-0-4.testns.pod.D', ['10-9-0-4.testns.pod.D 5 A 10.9.0.4']],
    ['a finished Pod', 'A', '10-9-0-2.testns.pod.D', 'NXDOMAIN'],
    ['a Pod of another namespace', 'A', '10-9-0-3.testns.pod.D', 'NXDOMAIN'],
    ['no Pod', 'A', '10-1-2-3.testns.pod.D', 'NXDOMAIN'],
  ],
  zoneOptions({ pods: 'verified' }),
)
